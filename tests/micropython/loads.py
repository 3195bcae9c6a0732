"""What the simulated chip measures, as codes of VSHUNT and VBUS for the k-th conversion."""


def ramp(k):
    return 32000 + 100 * (k % 500), 25600 + 10 * (k % 7)


def reverse(k):
    return ramp(k) if k < 200 or k >= 300 else (-5000, 25600)


def saturated(k):
    return (0x7FFFF if k % 10 == 0 else 32000), 25600


LOADS = {"ramp": ramp, "reverse": reverse, "saturated": saturated}
