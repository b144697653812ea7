"""Docker and podman: run jobs, build images and keep services in a container engine."""
