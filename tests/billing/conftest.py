from tests.instances.conftest import agent, books, customers_engine, one_agent, reach

__all__ = ["agent", "books", "customers_engine", "one_agent", "reach"]
