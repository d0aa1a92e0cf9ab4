"""The service plane: every privileged operation on the engines of one host."""
