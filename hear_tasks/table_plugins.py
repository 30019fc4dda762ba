"""The five models beside ours in the published table, and where their weights are published.

Licences and checksums are those that the hosts name: see the docstrings of the modules.
"""

from __future__ import annotations

import dataclasses

_WAVCAPS_FOLDER = "1pFr8IRY3E1FAtc2zjYmeuSVY3M5a-Kdj"
_OF_TRANSFORMERS = ("config.json", "preprocessor_config.json", "pytorch_model.bin")


@dataclasses.dataclass(frozen=True)
class TablePlugin:
    """A row of the published table that is not ours.

    Attributes:
        module: its HEAR module.
        title: as in the table.
        file: name of its weights, a file or a folder of transformers.
        licence: of its weights.
        repository: on the Hugging Face hub, "" where it is not there.
        revision: commit or branch of the repository.
        drive_folder: on Google Drive, "" where it is not there.
        files: names of what is fetched; of a folder, what lies in it.
        sha256: of the last of its files, the large one; "" where none is known.
        about: bytes of that file, 0 where nobody has told.
    """

    module: str
    title: str
    file: str
    licence: str
    repository: str = ""
    revision: str = "main"
    drive_folder: str = ""
    files: tuple[str, ...] = ()
    sha256: str = ""
    about: int = 0


_NO_LICENCE = "none named for the weights; trained on data for academic use only"

TABLE_PLUGINS = (
    TablePlugin(
        "hear_tasks.plugins.laion_clap_fusion",
        "LAION-CLAP-fusion",
        "clap-htsat-fused",
        "Apache-2.0",
        repository="laion/clap-htsat-fused",
        revision="cca9e288ab447cee67d9ada1f85ddb46500f1401",
        files=_OF_TRANSFORMERS,
        sha256="1ed5d0215d887551ddd0a49ce7311b21429ebdf1e6a129d4e68f743357225253",
        about=615_000_000,
    ),
    TablePlugin(
        "hear_tasks.plugins.laion_clap",
        "LAION-CLAP",
        "clap-htsat-unfused",
        "Apache-2.0",
        repository="laion/clap-htsat-unfused",
        revision="8fa0f1c6d0433df6e97c127f64b2a1d6c0dcda8a",
        files=_OF_TRANSFORMERS,
        about=615_000_000,
    ),
    TablePlugin(
        "hear_tasks.plugins.ms_clap",
        "MS-CLAP",
        "CLAP_weights_2022.pth",
        "MS-PL",
        repository="microsoft/msclap",
        files=("CLAP_weights_2022.pth",),
        sha256="5b917c47fec10547b65cf1d9096e194896fa1c2d6180536c8524289721a4c5b8",
        about=2_330_000_000,
    ),
    TablePlugin(
        "hear_tasks.plugins.wavcaps_cnn14",
        "WavCaps-CNN14",
        "CNN14-BERT-PT.pt",
        _NO_LICENCE,
        drive_folder=_WAVCAPS_FOLDER,
        files=("CNN14-BERT-PT.pt",),
    ),
    TablePlugin(
        "hear_tasks.plugins.wavcaps_htsat",
        "WavCaps-HTSAT",
        "HTSAT-BERT-PT.pt",
        _NO_LICENCE,
        drive_folder=_WAVCAPS_FOLDER,
        files=("HTSAT-BERT-PT.pt",),
    ),
)
