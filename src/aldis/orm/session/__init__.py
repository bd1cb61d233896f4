"""SQLAlchemy's sessions: a flush of models fires their signals, and so do statements on models."""
