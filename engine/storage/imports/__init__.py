"""Import: files of other systems become events, items and users; what cannot be understood is set aside."""
