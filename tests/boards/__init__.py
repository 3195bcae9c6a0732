"""Boards that are not boards, but nearly: a real systemd, journal and sshd each, on a disk and an address of its own.

The fixture ``boards`` (``tests/conftest.py``; mark the test ``boards``) makes them, as root, in half a second each:

    @pytest.fixture(scope="module")
    def two(boards: Rack) -> list[Board]:
        return [boards.add(), boards.add(disk_bytes=200 * MIB)]

The tree of this machine is the lower layer of an overlay, so each board costs only what it writes, which lies in a
tmpfs of a stated size: that is how a disk runs full. What a fresh board would not have (/opt, /etc/edgejoule, our
units) is not there. Boards, and the broker of a test, meet on a bridge; ``rack.gateway`` is this side's address.

- ``board.run("systemctl is-active ssh")``: a shell command on it, as root, without SSH; ``board.wait_for`` polls one
- ``board.path("/etc/edgejoule/agent.toml")``: the file, as this side sees it, also while the board is off
- ``board.ssh_words()``: the ``ssh`` command line of its user root; ``rack.key_file``, ``rack.known_hosts``
- ``board.cut_power()``, ``board.boot()``: everything ends at once; what was written is still there afterwards
- ``board.plug_meter("tc66c")``: an emulated meter of its own, at ``METER_PORT``, of group dialout like a real one
- ``board.shift_clock(-86_400)``: whoever comes by SSH afterwards sees this clock; systemd and its services do not
- ``rack.broker_url``, ``rack.journal``: mosquitto and a collector for them, started when first asked for

Ask for boards in a fixture of module scope, not in a test: what a test starts, it must end. Their group in xdist is
"boards", so one worker has them all.
"""
