"""A system of another processor on this machine: Debian's own packages, run by qemu-user in a chroot."""
