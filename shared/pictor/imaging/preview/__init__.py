"""Pictures of frames for people: stretched, upright, in colour where the sensor has colour."""
