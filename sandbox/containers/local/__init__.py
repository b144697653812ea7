"""Jobs as processes of this machine, without a container engine."""
