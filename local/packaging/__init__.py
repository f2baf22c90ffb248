"""Building what is deployed: layers with compiled packages for the deployed Python, and the functions' folders."""
