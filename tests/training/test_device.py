"""What programs that run networks set up: their command line, the dataset, and the device."""

import json
import os
import subprocess
import sys

import numpy
import pytest
import torch
from settings import ROOT, cubes, make_arrays

from widthwise.data.storage import write_dataset
from widthwise.training.device import choose_device, device_name, network_parser, start_computing


@pytest.fixture
def arguments(tmp_path, in_this_process):
    """Of a program on a small dataset."""
    digest = write_dataset(tmp_path / "d.h5", make_arrays(classes=3), {})
    (tmp_path / "d.json").write_text(
        json.dumps({"digest": digest, "class_counts": {"train": [8, 8, 8]}, "shape": [1, 5, 5, 5]})
    )
    files = ["--dataset", str(tmp_path / "d.h5"), "--summary", str(tmp_path / "d.json")]
    return network_parser("A program.").parse_args([*files, "--device", "cpu"])


def test_a_program_reads_the_dataset_that_its_summary_names(arguments):
    summary, arrays, task, chosen = start_computing(arguments)
    assert (task, chosen.type, arguments.threads, torch.get_num_threads()) == (cubes(3), "cpu", 1, 1)
    assert summary["class_counts"]["train"] == [8, 8, 8]
    expected = make_arrays(classes=3)
    assert all(numpy.array_equal(arrays[name], expected[name]) for name in expected)


def test_numbers_too_small_for_fast_arithmetic_are_zero(arguments):
    tiny = torch.tensor(1e-30)
    assert tiny * 1e-10 > 0
    start_computing(arguments)
    assert tiny * 1e-10 == 0


def test_another_dataset_is_refused(arguments):
    summary = json.loads(arguments.summary.read_text())
    arguments.summary.write_text(json.dumps(summary | {"digest": "0" * 64}))
    with pytest.raises(ValueError, match=r"d\.h5 does not have the content that its \.json file names"):
        start_computing(arguments)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_without_cuda_auto_is_the_cpu_and_cuda_is_refused():
    assert choose_device("auto") == choose_device("cpu") == torch.device("cpu")
    assert device_name(choose_device("auto")) == "cpu"
    with pytest.raises(ValueError, match=r"device: cuda given, but this machine has none; write auto or cpu"):
        choose_device("cuda")


def test_a_run_on_the_cpu_does_without_torchs_compiler():
    program = (
        "import sys; import settings; from widthwise.training.device import leave_compiler_out; leave_compiler_out(); "
        "training = settings.make_training(warmup_steps=2); settings.log_of(training); "
        "training.load_state_dict(training.state_dict()); "
        "sys.exit(any(name.startswith('torch._dynamo.') for name in sys.modules))"
    )
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'scripts'}:{ROOT / 'tests'}"}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
