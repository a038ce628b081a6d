"""Terraform itself gets the same out of the files as the tests' own evaluator, wherever terraform is.

Without the provider it plans nothing that is a resource. So each resource is made an output of its arguments, and what
only the provider could say is given as the evaluator makes it up. Variables, with their validation, locals and outputs
stay as they are. Blocks inside of resources are left out.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.terraform.expressions import node
from tests.terraform.module import FOLDER, META, Block, Instance, Module, blocks_of
from tests.terraform.provider import EXAMPLES

COMPLETE, EXISTING = (Module(folder) for folder in EXAMPLES)
STANDS_FOR = ("arn", "id", "name", "url", "dns_name", "stream_arn", "json", "region", "partition", "account_id")
# A name of a resource or data source, which Terraform would ask the provider about.
NAMED = re.compile(r"(?<![\w.\"-])(data\.)?(aws_[a-z_]+)\.([a-z_]+)")


def given(example: Module) -> dict[str, Any]:
    """Return what an example gives the module."""
    (call,) = example.modules.values()
    found = {name: example.evaluate(node(value)) for name, value in call.items() if not name.startswith("__")}
    del found["source"]
    # The package need not be there for anybody to look at the rest.
    return found | (
        {"stream_package": str(FOLDER.parent / "reconfigure/notify.py")} if "stream_package" in found else {}
    )


def stood_for(instances: Any) -> Any:
    """Return what expressions read of a resource, as plain values."""
    if isinstance(instances, dict):
        return {key: stood_for(each) for key, each in instances.items()}
    if isinstance(instances, list):
        return [stood_for(each) for each in instances]
    assert isinstance(instances, Instance)
    return {name: instances.attribute(name) for name in STANDS_FOR}


def unasked(text: str) -> str:
    """Return the text with locals in place of what a provider would be asked."""
    return NAMED.sub(lambda found: f"local.{'data_' if found[1] else ''}{found[2]}.{found[3]}", text)


def without_provider(module: Module, folder: Path) -> None:
    """Write a module without its resources, their arguments as outputs, and values for what a provider would say."""
    values: dict[str, dict[str, Any]] = {}
    for path in sorted(module.folder.glob("*.tf")):
        text = path.read_text(encoding="utf-8")
        for data, type_, name in NAMED.findall(text):
            values.setdefault(f"{'data_' if data else ''}{type_}", {})[name] = None
        kept = re.findall(r"^(?:locals|variable|output)\b.*?^}\n", text, re.MULTILINE | re.DOTALL)
        (folder / path.name).write_text(unasked("".join(kept)))
    for type_, names in values.items():
        for name in names:
            address = f"data.{type_[5:]}.{name}" if type_.startswith("data_") else f"{type_}.{name}"
            names[name] = stood_for(module.instances(address))
    blocks = "".join(as_output(address.replace(".", "_"), block) for address, block in module.blocks.items())
    (folder / "blocks.tf").write_text(unasked(blocks))
    shown = {f"local_{name}": {"value": f"${{local.{name}}}"} for name in module.local_values}
    (folder / "provider.tf.json").write_text(json.dumps({"locals": escaped(values), "output": shown}))
    (folder / "given.auto.tfvars.json").write_text(json.dumps(module.given))


def arguments(block: Block) -> list[str]:
    """Return the arguments of a block that are no blocks themselves."""
    language = META | {"__is_block__"}
    return [name for name, said in block.body.items() if name not in language and blocks_of(said) is None]


def as_written(value: Any) -> str:
    """Return an expression as it stood in the file, from what python-hcl2 made of it."""
    if isinstance(value, list):
        return "[" + ", ".join(as_written(each) for each in value) + "]"
    if isinstance(value, dict):
        pairs = (f"{name} = {as_written(each)}" for name, each in value.items() if name != "__is_block__")
        return "{\n" + "\n".join(pairs) + "\n}"
    if isinstance(value, str):
        bare = value[1:-1] + "\n" if value.startswith('"<<') else value
        return bare[2:-1] if bare.startswith("${") else bare
    return json.dumps(value)


def as_output(name: str, block: Block) -> str:
    """Return an output of a block's arguments, for each of its instances."""
    held = "{\n" + "\n".join(f"{each} = {as_written(block.body[each])}" for each in arguments(block)) + "\n}"
    if "for_each" in block.body:
        over = as_written(block.body["for_each"])
        held = f"{{ for each in [for key, value in {over} : {{ key = key, value = value }}] : each.key => {held} }}"
    elif "count" in block.body:
        over = as_written(block.body["count"])
        held = f"[for count in [for index in range({over}) : {{ index = index }}] : {held}]"
    return f'output "{name}" {{\nvalue = {held}\n}}\n'


def worth(block: Block, instances: Any) -> Any:
    """Return what the tests' own evaluator makes of the same."""
    if isinstance(instances, dict):
        return {key: worth(block, each) for key, each in instances.items()}
    if isinstance(instances, list):
        return [worth(block, each) for each in instances]
    return {name: instances.get(name) for name in arguments(block)}


def escaped(value: Any) -> Any:
    """Return values as JSON configuration takes them: no template in them is meant as one."""
    if isinstance(value, dict):
        return {key: escaped(each) for key, each in value.items()}
    if isinstance(value, list):
        return [escaped(each) for each in value]
    return value.replace("${", "$${").replace("%{", "%%{") if isinstance(value, str) else value


@pytest.mark.parametrize("example", [COMPLETE, EXISTING], ids=["complete", "existing"])
def test_terraform_gets_the_same_out_of_the_files(example: Module, tmp_path: Path) -> None:
    terraform = shutil.which("terraform")
    if terraform is None:
        pytest.skip("terraform is not on this machine, so only the tests' own evaluator looks at the files")
    module = Module(given=given(example))
    without_provider(module, tmp_path)
    expected = {name: module.output(name) for name in module.outputs}
    expected |= {f"local_{name}": module.local(name) for name in module.local_values}
    expected |= {
        address.replace(".", "_"): worth(block, module.instances(address)) for address, block in module.blocks.items()
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    for command in (["init"], ["plan", "-out=plan"], ["show", "-json", "plan"]):
        full = [terraform, command[0], "-no-color", *command[1:]]
        done = subprocess.run(
            full, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False, env=environment
        )
        assert done.returncode == 0, done.stdout + done.stderr
    planned = json.loads(done.stdout)["planned_values"]["outputs"]
    assert len(planned) > 90
    assert {name: each.get("value") for name, each in planned.items()} == json.loads(json.dumps(expected))
