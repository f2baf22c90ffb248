"""What people do in their browsers: walks through the pages of a running stack."""
