"""Momentum, its kin and the rules around a rule, in the letters of their papers."""


def momentum_lecture(theta, grads, *, alpha, rho):
    """The slides: v <- rho v + g; theta <- theta - alpha v."""
    v = 0 * theta
    for g in grads:
        v = rho * v + g
        theta = theta - alpha * v
    return theta


def momentum_polyak(theta, grads, *, epsilons, mu):
    """Sutskever et al. 2013, eqs 1, 2: v <- mu v - epsilon g; theta <- theta + v; a rate for each step."""
    v = 0 * theta
    for g, epsilon in zip(grads, epsilons, strict=True):
        v = mu * v - epsilon * g
        theta = theta + v
    return theta


def nesterov_lecture(x, gradient, steps, *, alpha, rho):
    """Sutskever et al. 2013, eqs 3, 4: v <- rho v - alpha grad(x + rho v); x <- x + v; return x and x + rho v."""
    v = 0 * x
    for _ in range(steps):
        v = rho * v - alpha * gradient(x + rho * v)
        x = x + v
    return x, x + rho * v


def nesterov_rewritten(theta, grads, *, alpha, rho):
    """The look-ahead point as the weights: v <- rho v - alpha g; theta <- theta + rho v - alpha g."""
    v = 0 * theta
    for g in grads:
        v = rho * v - alpha * g
        theta = theta + rho * v - alpha * g
    return theta


def sgdw(theta, grads, *, alpha, beta1, lam, etas):
    """Loshchilov and Hutter 2019, algorithm 1 (SGDW): eta scales step and decay, alpha only the step."""
    m = 0 * theta
    for g, eta in zip(grads, etas, strict=True):
        m = beta1 * m + eta * alpha * g
        theta = theta - m - eta * lam * theta
    return theta


def sgd_l2(theta, grads, *, alpha, beta1, lam, etas):
    """Loshchilov and Hutter 2019, algorithm 1 (SGD with L2): the decay goes through the moment."""
    m = 0 * theta
    for g, eta in zip(grads, etas, strict=True):
        g = g + lam * theta
        m = beta1 * m + eta * alpha * g
        theta = theta - m
    return theta


def lion(theta, grads, *, eta, beta1, beta2, lam):
    """Chen et al. 2023, algorithm 2."""
    m = 0 * theta
    for g in grads:
        c = beta1 * m + (1 - beta1) * g
        theta = theta - eta * (c.sign() + lam * theta)
        m = beta2 * m + (1 - beta2) * g
    return theta


def sam(w, gradient, steps, *, eta, rho):
    """Foret et al. 2021, algorithm 1 with p = 2 and plain descent; w is all weights as one vector."""
    for _ in range(steps):
        g = gradient(w)
        epsilon = rho * g / g.norm()
        w = w - eta * gradient(w + epsilon)
    return w


def lookahead(phi, grads, *, k, alpha, eta):
    """Zhang et al. 2019, algorithm 1 around plain descent; return the slow weights and the fast."""
    theta = phi
    for i, g in enumerate(grads, 1):
        theta = theta - eta * g
        if i % k == 0:
            phi = phi + alpha * (theta - phi)
            theta = phi
    return phi, theta


def swa(w, path, *, c):
    """Izmailov et al. 2018, algorithm 1: the mean of the start w and of every c-th point of the path."""
    w_swa = w
    for i, w in enumerate(path, 1):
        if i % c == 0:
            n_models = i / c
            w_swa = (w_swa * n_models + w) / (n_models + 1)
    return w_swa


def ema_corrected(path, *, decay):
    """Kingma and Ba 2015, section 3, for weights: s <- decay s + (1 - decay) theta, divided by 1 - decay^t."""
    s = 0
    for theta in path:
        s = decay * s + (1 - decay) * theta
    return s / (1 - decay ** len(path))


def clip_by_value(g, *, c):
    """Each entry held in [-c, c]."""
    return g.clamp(-c, c)


def clip_by_norm(g, *, threshold):
    """Pascanu et al. 2013, algorithm 1: |g| >= threshold: g <- threshold / |g| g; g is all gradients as one vector."""
    return threshold / g.norm() * g if g.norm() >= threshold else g


def noise_variance(t, *, eta, gamma):
    """Neelakantan et al. 2015, eq. 1: sigma_t^2 = eta / (1 + t)^gamma, t from 0."""
    return eta / (1 + t) ** gamma
