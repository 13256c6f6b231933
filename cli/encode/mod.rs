//! Detections for people and machines.
