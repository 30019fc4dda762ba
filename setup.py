"""Package description. Tested versions of everything are pinned in scripts/constraints.txt."""

import pathlib

from setuptools import find_packages, setup

HEAR = [
    # heareval 2021.1.3 and hearvalidator 2021.0.6 themselves cannot stand here: their own metadata
    # refuses a current Python. scripts/setup.sh installs them beside these, which they import.
    "click",
    "dcase_util",
    "more-itertools",
    "nvidia-ml-py",
    "pandas",
    "python-slugify",
    "pytorch-lightning==1.9.5",  # the last release with the API that heareval calls
    "scikit-learn",
    "scipy",
    "sed_eval",
    "setuptools<81",  # pytorch-lightning 1.9 imports pkg_resources
    "tensorflow-cpu",
    "torch",
    "torchinfo",
    "tqdm",
]
TASKS = [
    # The demo tasks need tinysoundfont, too, which cannot stand here: of what it asks for, pyaudio does not build
    # without headers of the machine's sound system. scripts/setup.sh installs it without that.
    "matplotlib",
    "mido",
    "intervaltree",  # events of overlapping labels in the order of heareval's
    "scipy",
]
TEXT = ["tokenizers"]
DOWNLOAD = ["gdown>=6.5", "huggingface_hub", "py7zr", "requests", "socksio", *TEXT]  # socksio: for SOCKS proxies
PARQUET = ["pyarrow"]
CAPTIONS = ["aac-metrics"]  # brings torch and transformers, which nothing else of the tasks needs
PLUGINS = [
    # msclap, too, which cannot stand here: its metadata asks for numpy 1 and transformers 4, which its networks do not
    # need. scripts/setup.sh installs it without what it asks for.
    "librosa",
    "torch",
    "torchlibrosa",
    "transformers",
]
TRAIN = ["array-record", "grain", "matplotlib", "tensorboardX", *TEXT]  # optax and orbax-checkpoint come with flax
PAGES = ["jinja2", "matplotlib", "pillow", "plotly"]  # of plotly, its script, which goes beside the pages
MEDIA = ["av"]
MAP = ["umap-learn", *PAGES]
TEST = ["mypy", "pytest", "pytest-xdist", "ruff", "selenium"]

setup(
    name="hear_cacophony",
    version="0.2.0",
    description="The models of the Cacophony paper: on HEAR, and on sounds of your own",
    long_description=pathlib.Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=find_packages(include=["hear_cacophony*", "hear_tasks*"]),
    package_data={
        "hear_cacophony": ["py.typed", "pages/templates/*", "pages/assets/*"],
        "hear_tasks": ["py.typed", "**/*.csv"],
    },
    python_requires=">=3.11.5,<3.14",
    install_requires=["flax>=0.12", "jax>=0.10", "ml_dtypes", "numpy>=2", "safetensors", "soundfile", "soxr"],
    extras_require={
        "hear": HEAR,
        "tasks": TASKS,
        "text": TEXT,
        "download": DOWNLOAD,
        "captions": CAPTIONS,
        "parquet": PARQUET,
        "plugins": PLUGINS,
        "train": TRAIN,
        "pages": PAGES,
        "map": MAP,
        "media": MEDIA,
        "test": TEST,
    },
    entry_points={"console_scripts": ["hear-cacophony = hear_tasks.__main__:main"]},
)
