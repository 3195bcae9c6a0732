"""Programs of another processor, run in name spaces of their own that end with them.

binfmt_misc is mounted inside a user name space (Linux 6.7 and later), so that every program that another one starts
runs under qemu too, and this machine itself learns nothing of it. What must look like the board does: /proc/cpuinfo.
"""

import os
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

SHARED = "/mnt"
RUN_TIMEOUT_S = 400.0
_ENTER = """
set -e
mount -t overlay -o "userxattr,lowerdir=$1,upperdir=$2/upper,workdir=$2/work" overlay "$2/root"
mkdir -p "$2/root/mnt" "$2/root/tmp"
mount --rbind /dev "$2/root/dev"
mount --rbind /sys "$2/root/sys"
mount -t proc proc "$2/root/proc"
mount --bind "$2/cpuinfo" "$2/root/proc/cpuinfo"
mount --bind "$3" "$2/root/mnt"
mount -t binfmt_misc binfmt_misc "$2/root/proc/sys/fs/binfmt_misc"
printf %s "$4" > "$2/root/proc/sys/fs/binfmt_misc/register"
root="$2/root"
cpu="$5"
shift 5
exec env -i PATH=/usr/bin:/bin:/usr/sbin:/sbin HOME=/root LC_ALL=C.UTF-8 QEMU_CPU="$cpu" chroot "$root" "$@"
"""
PI4 = """\
processor\t: 0
BogoMIPS\t: 108.00
Features\t: {features}
CPU implementer\t: 0x41
CPU architecture: {architecture}
CPU variant\t: 0x0
CPU part\t: 0xd08
CPU revision\t: 3

Hardware\t: BCM2711
Revision\t: c03111
Model\t\t: Raspberry Pi 4 Model B Rev 1.1
"""
ARM64_FEATURES = "fp asimd evtstrm crc32 cpuid"
ARM32_FEATURES = "half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt vfpd32 lpae evtstrm crc32"

CPUS = {"aarch64": "cortex-a72", "arm": "cortex-a7"}
"""Of a Raspberry Pi 4 and 2: an instruction that only later processors have is illegal here too."""


@dataclass(frozen=True)
class Userland:
    """``lower``: the unpacked system; ``layer``: where this test writes; ``shared``: seen inside as ``/mnt``."""

    lower: Path
    layer: Path
    shared: Path
    qemu: str

    @staticmethod
    def make(lower: Path, folder: Path, shared: Path, qemu: str) -> "Userland":
        """Prepare the folders. ``qemu``: of qemu-user-static, ``aarch64`` or ``arm``."""
        for name in ("upper", "work", "root"):
            (folder / name).mkdir(parents=True)
        wide = qemu == "aarch64"
        features = ARM64_FEATURES if wide else ARM32_FEATURES
        (folder / "cpuinfo").write_text(PI4.format(features=features, architecture=8 if wide else 7))
        return Userland(lower, folder, shared, qemu)

    def command(self, *words: str) -> list[str]:
        """Return what runs ``words`` inside. One at a time: they share the writable layer."""
        format_file = Path(f"/usr/lib/binfmt.d/qemu-{self.qemu}.conf")
        enter = [str(self.lower), str(self.layer), str(self.shared), format_file.read_text().strip(), CPUS[self.qemu]]
        apart = ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child"]
        return [*apart, "sh", "-c", _ENTER, "enter", *enter, *words]

    def run(self, *words: str) -> str:
        """Run one program to its end and return what it said; fail with that unless it ended well."""
        outcome = subprocess.run(
            self.command(*words), capture_output=True, text=True, timeout=RUN_TIMEOUT_S, check=False
        )
        assert outcome.returncode == 0, f"{' '.join(words)}: {outcome.stdout[-3000:]}\n{outcome.stderr[-3000:]}"
        return outcome.stdout


def ask_to_end(process: "subprocess.Popen[bytes]", number: int) -> None:
    """Send a signal to the program inside: the child of what set its name spaces up."""
    with suppress(psutil.NoSuchProcess, ProcessLookupError):
        for child in psutil.Process(process.pid).children():
            os.kill(child.pid, number)
