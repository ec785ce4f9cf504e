"""Plain references, in the letters of their sources; no code shared with the package."""


def momentum_average(theta, grads, *, alpha, rho):
    """The optimisation notes: v <- rho v + (1 - rho) g; theta <- theta - alpha v."""
    v = 0 * theta
    for g in grads:
        v = rho * v + (1 - rho) * g
        theta = theta - alpha * v
    return theta


def adam_as_on_the_slides(theta, grads, *, alpha, beta1, beta2, epsilon):
    """Adam without bias correction: m, s averages; theta <- theta - alpha m / (sqrt(s) + epsilon)."""
    m = s = 0 * theta
    for g in grads:
        m = beta1 * m + (1 - beta1) * g
        s = beta2 * s + (1 - beta2) * g * g
        theta = theta - alpha * m / (s.sqrt() + epsilon)
    return theta


def splitmix64(state):
    """Steele, Lea and Flood 2014, figure 16: yield the stream of a 64-bit state."""
    mask = (1 << 64) - 1
    while True:
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        yield z ^ (z >> 31)


def draws(key, count):
    """Our counter-based stream: SplitMix64's finaliser of (key * golden xor index) * golden."""
    mask, golden = (1 << 64) - 1, 0x9E3779B97F4A7C15
    for index in range(count):
        value = (((key * golden) & mask) ^ index) * golden & mask
        yield next(splitmix64((value - golden) & mask)) >> 40
