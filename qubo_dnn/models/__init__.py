"""Problems from models of other libraries, and the other way round."""
