"""What several tests share: finding a browser, starting the app, building small packages."""
