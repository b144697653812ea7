"""The server of the Model Context Protocol: the commands of a project as tools of a coding agent."""
