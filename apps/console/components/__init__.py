"""What several pages share: buttons, listings, badges, freshness, dialogs."""
