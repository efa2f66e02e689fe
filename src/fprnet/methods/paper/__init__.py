"""The paper's cross-modality prediction with its game and hybrid loss, and its relatives."""
