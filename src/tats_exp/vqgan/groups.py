"""How many groups the channels of a layer are normalised in."""

GROUPS = 32


def groups(channels: int, key: str) -> int:
    """As many groups as usual, or one a channel where there are fewer channels.

    Args:
        channels: of the features.
        key: what the user sets them by, a width that doubles from level to level.

    Raises:
        ValueError: the channels are no multiple of the groups.
    """
    found = min(GROUPS, channels)
    if channels % found:
        raise ValueError(
            f"{key}: a layer of {channels} channels has no {found} equal groups to be normalised in; allowed: powers "
            f"of two and multiples of {GROUPS}, or norm=batch"
        )
    return found
