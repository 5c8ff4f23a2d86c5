"""A real SLURM on this machine alone: munge, MariaDB, slurmdbd, slurmctld and slurmd, on loopback.

For tests, and for trying a profile out. As root, with Debian's `slurm-wlm slurmdbd munge mariadb-server`:

    python tests/workflow/slurm_cluster.py FOLDER start
    python tests/workflow/slurm_cluster.py FOLDER stop

Between the two, /etc/slurm/slurm.conf is a link to the one in FOLDER: jobs do not see SLURM_CONF.
"""

import argparse
import itertools
import os
import shlex
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

CONFIGURATION = Path("/etc/slurm/slurm.conf")
PROGRAMS = ("munged", "mariadbd", "slurmdbd", "slurmctld", "slurmd", "sbatch")
LINKS = (CONFIGURATION, CONFIGURATION.with_name("slurmdbd.conf"))
PORTS = ("mariadb_port", "slurmdbd_port", "slurmctld_port", "slurmd_port")
FIRST_PORT = 16800  # below those that the kernel gives to outgoing connections

SLURM_CONF = """\
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={slurmctld_port}
SlurmdPort={slurmd_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=2
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={slurmdbd_port}
AccountingStoreFlags=job_comment
SchedulerParameters=sched_interval=2,bf_interval=2
ReturnToService=2
KillWait=5
MaxArraySize=1001
MailProg=/bin/true
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""

SLURMDBD_CONF = """\
AuthType=auth/munge
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort={slurmdbd_port}
SlurmUser=root
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={mariadb_port}
StorageUser=slurm
StoragePass=loopback
StorageLoc=slurm
PidFile={folder}/slurmdbd.pid
LogFile={folder}/slurmdbd.log
"""


def free_ports(count: int) -> list[int]:
    """The first ports on which nothing listens."""

    def is_free(port: int) -> bool:
        with socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what was closed just now is free
            try:
                one.bind(("", port))
            except OSError:
                return False
        return True

    return list(itertools.islice(filter(is_free, itertools.count(FIRST_PORT)), count))


def missing_programs() -> list[str]:
    """What of SLURM and its company is not installed."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    return [program for program in PROGRAMS if shutil.which(program, path=path) is None]


class Cluster:
    """One node, one partition, one account; everything that it writes lies in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = os.environ | {"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}

    def start(self) -> None:
        """Starts everything and waits until the node takes jobs. Raises FileExistsError where SLURM is set up."""
        CONFIGURATION.parent.mkdir(exist_ok=True)
        for path in LINKS:
            if path.exists():
                raise FileExistsError(f"{path}: in use by the SLURM in {path.resolve().parent}; stop it first")
        for path in LINKS:
            path.unlink(missing_ok=True)  # of a cluster that is no longer there
            path.symlink_to(self.folder / path.name)
        for name in ("state", "spool", "database"):
            (self.folder / name).mkdir(parents=True)
        ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
        values = {
            "host": socket.gethostname(),
            "folder": self.folder,
            "cpus": os.cpu_count(),
            "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20 * 9 // 10,
        } | ports
        (self.folder / "slurm.conf").write_text(SLURM_CONF.format(**values))
        (self.folder / "slurmdbd.conf").write_text(SLURMDBD_CONF.format(**values))
        (self.folder / "slurmdbd.conf").chmod(0o600)
        self._start_munge()
        self._start_database(ports["mariadb_port"])
        self.start_accounting()
        for what in (["cluster", "loopback"], ["account", "tests"], ["user", "root", "account=tests"]):
            self.run("sacctmgr", "-i", "add", *what)
        self.start_controller()
        self.run("slurmd")
        self.wait_for(lambda: "idle" in self.output("sinfo", "-h", "-o", "%t"), "slurmd")

    def start_accounting(self) -> None:
        """Starts slurmdbd, without which sacct lists nothing."""
        self.run("slurmdbd")
        self.wait_for(lambda: self.succeeds("sacctmgr", "-n", "show", "cluster"), "slurmdbd")

    def stop_accounting(self) -> None:
        """Stops slurmdbd; jobs are queued and run on."""
        self._end("slurmdbd")

    def start_controller(self) -> None:
        """Starts slurmctld, which goes on with the jobs that it knew."""
        self.run("slurmctld")
        self.wait_for(lambda: self.succeeds("scontrol", "ping"), "slurmctld")

    def stop_controller(self) -> None:
        """Stops slurmctld; jobs run on."""
        self._end("slurmctld")

    def stop(self) -> None:
        """Stops everything, jobs first; nothing of another cluster."""
        links = [path for path in LINKS if path.is_symlink() and path.readlink() == self.folder / path.name]
        if not links:
            return
        if self.succeeds("scontrol", "ping"):
            self.run("scancel", "--user=root")
            self.wait_for(lambda: not self.output("squeue", "-h"), "the last job to end")
        for name in ("slurmd", "slurmctld", "slurmdbd", "mariadbd", "munged"):
            self._end(name)
        for path in links:
            path.unlink()

    def run(self, *command: str) -> None:
        """Raises CalledProcessError where the command fails."""
        subprocess.run(command, env=self.environment, check=True, stdout=subprocess.DEVNULL)

    def output(self, *command: str) -> str:
        """What the command prints. Raises CalledProcessError where it fails."""
        return subprocess.run(command, env=self.environment, check=True, capture_output=True, text=True).stdout

    def succeeds(self, *command: str) -> bool:
        """Whether the command ends well."""
        return subprocess.run(command, env=self.environment, capture_output=True, check=False).returncode == 0

    def wait_for(self, condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
        """Raises TimeoutError that names what did not come."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(f"{what}: not there after {seconds} s; see the logs in {self.folder}")
            time.sleep(0.2)

    def _start_munge(self) -> None:
        for folder in ("/run/munge", "/var/log/munge", "/var/lib/munge"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            shutil.chown(folder, "munge", "munge")
        if not self.succeeds("munge", "-n"):
            self.run("runuser", "-u", "munge", "--", "munged", "--force", f"--pid-file={self._munge_pid}")
            self.wait_for(lambda: self.succeeds("munge", "-n"), "munged")

    @property
    def _munge_pid(self) -> Path:
        return Path("/run/munge/munged.pid")

    def _start_database(self, port: int) -> None:
        data, sock = self.folder / "database", self.folder / "mariadb.sock"
        common = ("--no-defaults", f"--datadir={data}", "--user=root")
        self.run("mariadb-install-db", *common, "--auth-root-authentication-method=normal", "--skip-test-db")
        server = ["mariadbd", *common, f"--socket={sock}", f"--port={port}", "--bind-address=127.0.0.1",
                  f"--pid-file={self.folder}/mariadbd.pid"]  # fmt: skip
        self.run("sh", "-c", f"setsid {shlex.join(server)} > {self.folder}/mariadb.log 2>&1 &")
        client = ("mariadb", "--no-defaults", f"--socket={sock}", "--user=root")
        self.wait_for(lambda: self.succeeds(*client, "-e", "select 1"), "mariadbd")
        for statement in (
            "create database slurm",
            "create user 'slurm'@'127.0.0.1' identified by 'loopback'",
            "grant all on slurm.* to 'slurm'@'127.0.0.1'",
        ):
            self.run(*client, "-e", statement)

    def _end(self, name: str) -> None:
        pid_file = self._munge_pid if name == "munged" else self.folder / f"{name}.pid"
        if not pid_file.exists():
            return
        process = Path("/proc", pid_file.read_text().strip())
        if process.exists():
            os.kill(int(process.name), signal.SIGTERM)
            self.wait_for(lambda: not process.exists(), f"{name}'s end")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where everything that it writes goes; for `start`, not there yet")
    parser.add_argument("action", choices=["start", "stop"])
    arguments = parser.parse_args()
    getattr(Cluster(arguments.folder.resolve()), arguments.action)()


if __name__ == "__main__":
    main()
