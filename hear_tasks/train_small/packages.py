"""The Debian packages whose recordings are trained on, and the two that are kept for probes."""

from __future__ import annotations

_MUSIC = """
asc-music drascula-music hyperrogue-music nexuiz-music planetblupi-music-ogg singularity-music ufoai-music
warzone2100-music wesnoth-1.16-music asterisk-moh-opsound-wav
"""
_SPEECH = """
asterisk-core-sounds-en-wav asterisk-core-sounds-es-wav asterisk-core-sounds-fr-wav asterisk-core-sounds-it-wav
asterisk-core-sounds-ru-wav asterisk-prompt-it-menardi-wav festvox-ru ktuberling-data
"""
_EFFECTS = """
7kaa-data alienblaster-data boswars-data btanks-data bucklespring-data bzflag-data colobot-common-sounds
endless-sky-data extremetuxracer-data fillets-ng-data freedroidrpg-data freeorion-data frozen-bubble-data glob2-data
hedgewars-data hydrogen-drumkits-effects lincity-ng-data lomiri-sounds lugaru-data marsshooter-data megaglest-data
naev-data openclonk-data oxygen-sounds pax-britannica-data pingus-data planetblupi-common plee-the-bear-data
powermanga-data pushover-data scorched3d-data searchandrescue-data starfighter-data supertux-data trigger-rally-data
tuxmath-data tuxtype-data ufoai-sound warmux-data warzone2100-data wesnoth-1.16-data wordwarvi-sound xmoto-data zaz-data
"""

TRAINING = tuple(sorted(f"{_MUSIC} {_SPEECH} {_EFFECTS}".split()))
"""Music, telephone voices and readings in five languages, and effects: 4 GB of packages, 38 hours.

None of them has recordings of the demo tasks or of the probes.
"""

KITS = ("hydrogen-data", "hydrogen-drumkits")
"""Drum kits, which only a probe knows."""

SAMPLES = "lmms-common"
"""Samples of a music program, which only a probe knows."""
