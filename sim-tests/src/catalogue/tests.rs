//! What the figures of a catalogue mean.
