"""The platform over HTTP: JSON for programs, pages for people, and what both of them need."""
