"""Docker and podman: jobs, image builds and services in a container engine."""
