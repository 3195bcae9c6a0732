"""What a fleet used, did and emitted in any period, aggregated where its rows lie, however many they are."""
