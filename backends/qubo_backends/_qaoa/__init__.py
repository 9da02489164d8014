"""The parts of QAOA: ansätze, their simulation, their circuits, and where these are measured."""
