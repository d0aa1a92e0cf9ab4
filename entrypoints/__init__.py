"""The programs: one small module a role, the operator commands and the development launcher."""
