"""From the names of paddings in a config to what they are. Torch is not imported.

`padding.encoder` and `padding.decoder` name options, files of the group `padding` on Hydra's search path. The section
that Hydra composes is the option chosen as `padding=NAME` with all overrides of its arguments; it holds for the halves
with its name. A half that is set apart is as the file of its option says.
"""

from hydra._internal.config_repository import ConfigRepository
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from omegaconf import DictConfig, OmegaConf, open_dict

from tats_exp import UserError
from tats_exp.config.build import blamed_on
from tats_exp.config.schema import allowed, conf_dir, plain
from tats_exp.config.sections import Node

GROUP = "padding"
HALVES = ("encoder", "decoder")


def with_halves(cfg: DictConfig) -> DictConfig:
    """The same config with `padding.halves`, the section of what pads each half of the VQGAN.

    Args:
        cfg: a composed root config. Where it has no `hydra` section, the search path is that of the job that runs, or
            our groups alone. A config that has `padding.halves`, as that of a finished run, is returned as it is.

    Raises:
        UserError: in one line: a name is no option, or an argument was given that no half takes.
    """
    section = cfg.get(GROUP)
    if not isinstance(section, DictConfig):
        return cfg
    if "halves" in section:
        if "hydra" in cfg:
            raise UserError(
                f"{GROUP}.halves: not to be set; allowed: {GROUP}=NAME, {GROUP}.encoder and {GROUP}.decoder"
            )
        return cfg
    composed, options = plain(section), _Options(cfg)
    names = {half: composed.pop(half, None) for half in HALVES}
    chosen = composed.pop("name", None)
    _check_chosen(chosen, composed, options.read(f"{GROUP}.name", chosen), used=chosen in names.values())
    halves = {
        half: composed if name == chosen else options.read(f"{GROUP}.{half}", name) for half, name in names.items()
    }
    filled = cfg.copy()
    with open_dict(filled):
        filled.padding.halves = halves
    return filled


def _check_chosen(chosen: object, composed: Node, option: Node, used: bool) -> None:
    """Refuse a section that is another than the option it is named for, and arguments that nothing takes."""
    if composed.get("_target_") != option.get("_target_"):
        raise UserError(
            f"{GROUP}._target_={composed.get('_target_')}: the option {chosen} is {option.get('_target_')}; "
            "allowed: an option of your own, with the name of its file"
        )
    for key, value in composed.items():
        if not used and (key not in option or value != option[key]):
            raise UserError(
                f"{GROUP}.{key}={value}: an argument of {chosen}, which pads neither half; allowed: "
                f"{' or '.join(f'{GROUP}.{half}={chosen}' for half in HALVES)}"
            )


class _Options:
    """The options of the group on Hydra's search path."""

    def __init__(self, cfg: DictConfig) -> None:
        Plugins.instance()  # which knows how to read the places of a search path
        self.root, places = cfg, ConfigSearchPathImpl()
        for provider, path in _sources(cfg):
            places.append(provider, path)
        self.files = ConfigRepository(places)

    def read(self, key: str, name: object) -> Node:
        """What the file of an option says; its interpolations are looked up in the whole config.

        Args:
            key: that holds the name.
            name: of the option.
        """
        names = self.files.get_group_options(GROUP)
        if name not in names:
            raise UserError(f"{key}={name}: no such option; {allowed(str(name), names)}")
        with blamed_on(f"{key}={name}"):
            file = self.files.load_config(f"{GROUP}/{name}")
            assert file is not None
            section = OmegaConf.create(OmegaConf.to_container(file.config), parent=self.root)
            assert isinstance(section, DictConfig)
            return {key: value for key, value in plain(section).items() if key != "name"}


def _sources(cfg: DictConfig) -> list[tuple[str, str]]:
    """The search path, provider and place of each part of it, the first to be asked first."""
    if "hydra" in cfg:
        runtime = cfg.hydra.runtime
    elif HydraConfig.initialized():
        runtime = HydraConfig.get().runtime
    else:
        return [("main", f"file://{conf_dir()}")]
    return [(source.provider, f"{source.schema}://{source.path}") for source in runtime.config_sources]
