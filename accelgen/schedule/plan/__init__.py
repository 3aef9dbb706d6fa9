"""Where maps lie and when: tiles, feature memory, uneven cuts, parked weights."""
