"""The weighted mean of checkpoints."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from inktex.cli import main


def test_weights_are_averaged_by_their_shares(tmp_path: Path) -> None:
    folders = [tmp_path / name / "averaged" for name in ("first", "second")]
    for folder, value in zip(folders, (1.0, 5.0), strict=True):
        folder.mkdir(parents=True)
        save_file({"weight": torch.full((2, 3), value)}, folder / "model.safetensors")
    (folders[0] / "config.json").write_text("{}")
    (folders[0].parent / "recipe.json").write_text('{"init": "somewhere/averaged"}')
    (folders[0].parent / "machine.json").write_text('{"cores": 2}')
    output = tmp_path / "mean" / "averaged"
    command = ["average", *map(str, folders), "--output", str(output), "--shares", "3", "1"]
    assert main(command) == 0
    torch.testing.assert_close(
        load_file(output / "model.safetensors")["weight"], torch.full((2, 3), 2.0)
    )
    assert (output / "config.json").is_file()
    assert (output.parent / "recipe.json").is_file()
    one, other = json.loads((output / "average.json").read_text())
    assert (one["share"], other["share"]) == (0.75, 0.25)
    assert one["run"] == {"recipe": {"init": None}, "machine": {"cores": 2}}
    assert other["run"] is None
    save_file({"weight": torch.zeros(4)}, folders[1] / "model.safetensors")
    assert main(command) == 2, "another architecture"
    assert main([*command[:3], "--output", str(folders[0])]) == 2, "it would be overwritten"
    assert main(["average", str(folders[0]), "--output", str(output)]) == 2, "one alone"
