"""What the device does while it is metered: the agent's own inference, however it is fed, or another program's."""
