"""Rules with a rate for each weight, in the letters of their papers."""

import math


def adagrad(x, grads, *, eta, delta):
    """Duchi et al. 2011, figure 1, diagonal: s_i = |g_1:t,i|_2; H = delta + s; x <- x - eta g / H."""
    squares = 0 * x
    for g in grads:
        squares = squares + g * g
        s = squares.sqrt()
        x = x - eta * g / (delta + s)
    return x


def adadelta(x, grads, *, rho, epsilon):
    """Zeiler 2012, algorithm 1; there is no rate."""
    e_g = e_dx = 0 * x
    for g in grads:
        e_g = rho * e_g + (1 - rho) * g * g
        dx = -(e_dx + epsilon).sqrt() / (e_g + epsilon).sqrt() * g
        e_dx = rho * e_dx + (1 - rho) * dx * dx
        x = x + dx
    return x


def rmsprop(w, grads, *, rate, decay):
    """Hinton 2012, lecture 6e, slide 29: MeanSquare <- decay MeanSquare + (1 - decay) g^2; no epsilon."""
    mean_square = 0 * w
    for g in grads:
        mean_square = decay * mean_square + (1 - decay) * g * g
        w = w - rate * g / mean_square.sqrt()
    return w


def rmsprop_graves(w, grads, *, aleph, beth, gimel, daleth):
    """Graves 2013, eqs 38-41: centred, with momentum beth, rate gimel, and daleth under the root."""
    n = gbar = delta = 0 * w
    for g in grads:
        n = aleph * n + (1 - aleph) * g * g
        gbar = aleph * gbar + (1 - aleph) * g
        delta = beth * delta - gimel * g / (n - gbar * gbar + daleth).sqrt()
        w = w + delta
    return w


def adam(theta, grads, *, alpha, beta1, beta2, epsilon):
    """Kingma and Ba 2015, algorithm 1."""
    m = v = 0 * theta
    for t, g in enumerate(grads, 1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        m_hat = m / (1 - beta1**t)
        v_hat = v / (1 - beta2**t)
        theta = theta - alpha * m_hat / (v_hat.sqrt() + epsilon)
    return theta


def adam_epsilon_hat(theta, grads, *, alpha, beta1, beta2, epsilon_hat):
    """Kingma and Ba 2015, end of section 2: alpha_t = alpha sqrt(1 - beta2^t) / (1 - beta1^t), epsilon on sqrt(v)."""
    m = v = 0 * theta
    for t, g in enumerate(grads, 1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        alpha_t = alpha * math.sqrt(1 - beta2**t) / (1 - beta1**t)
        theta = theta - alpha_t * m / (v.sqrt() + epsilon_hat)
    return theta


def adamax(theta, grads, *, alpha, beta1, beta2):
    """Kingma and Ba 2015, algorithm 2; no epsilon."""
    m = u = 0 * theta
    for t, g in enumerate(grads, 1):
        m = beta1 * m + (1 - beta1) * g
        u = (beta2 * u).maximum(g.abs())
        theta = theta - alpha / (1 - beta1**t) * m / u
    return theta


def adamw(theta, grads, *, alpha, beta1, beta2, epsilon, lam, etas):
    """Loshchilov and Hutter 2019, algorithm 2 (AdamW): eta scales step and decay, alpha only the step."""
    m = v = 0 * theta
    for t, (g, eta) in enumerate(zip(grads, etas, strict=True), 1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        m_hat = m / (1 - beta1**t)
        v_hat = v / (1 - beta2**t)
        theta = theta - eta * (alpha * m_hat / (v_hat.sqrt() + epsilon) + lam * theta)
    return theta


def nadam_report(theta, grads, *, alpha, beta1, beta2, epsilon, mu):
    """Dozat 2015, algorithm 8: the moment keeps beta1, the mix follows mu(t), t from 1."""
    m = v = 0 * theta
    product = 1.0
    for t, g in enumerate(grads, 1):
        product = product * mu(t)
        g_hat = g / (1 - product)
        m = beta1 * m + (1 - beta1) * g
        m_hat = m / (1 - product * mu(t + 1))
        v = beta2 * v + (1 - beta2) * g * g
        v_hat = v / (1 - beta2**t)
        m_bar = (1 - mu(t)) * g_hat + mu(t + 1) * m_hat
        theta = theta - alpha * m_bar / (v_hat.sqrt() + epsilon)
    return theta


def nadam_workshop(theta, grads, *, alpha, nu, epsilon, mu):
    """Dozat 2016, algorithm 2: the moment, too, follows mu(t); n corrected as Adam's v."""
    m = n = 0 * theta
    product = 1.0
    for t, g in enumerate(grads, 1):
        product = product * mu(t)
        m = mu(t) * m + (1 - mu(t)) * g
        n = nu * n + (1 - nu) * g * g
        m_hat = mu(t + 1) * m / (1 - product * mu(t + 1)) + (1 - mu(t)) * g / (1 - product)
        n_hat = n / (1 - nu**t)
        theta = theta - alpha * m_hat / (n_hat.sqrt() + epsilon)
    return theta


def nadam_simple(theta, grads, *, alpha, beta1, beta2, epsilon):
    """Dozat 2016 with a constant momentum: the corrected look-ahead of Adam's moment."""
    m = v = 0 * theta
    for t, g in enumerate(grads, 1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        m_hat = beta1 * m / (1 - beta1 ** (t + 1)) + (1 - beta1) * g / (1 - beta1**t)
        v_hat = v / (1 - beta2**t)
        theta = theta - alpha * m_hat / (v_hat.sqrt() + epsilon)
    return theta


def amsgrad(x, grads, *, alpha, beta1, beta2):
    """Reddi et al. 2018, algorithm 2: the largest v so far, no corrections, no epsilon."""
    m = v = v_hat = 0 * x
    for g in grads:
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        v_hat = v_hat.maximum(v)
        x = x - alpha * m / v_hat.sqrt()
    return x


def radam(theta, grads, *, alpha, beta1, beta2):
    """Liu et al. 2020, algorithm 2: tractable when rho_t > 4, no epsilon."""
    m = v = 0 * theta
    rho_inf = 2 / (1 - beta2) - 1
    for t, g in enumerate(grads, 1):
        v = beta2 * v + (1 - beta2) * g * g
        m = beta1 * m + (1 - beta1) * g
        m_hat = m / (1 - beta1**t)
        rho = rho_inf - 2 * t * beta2**t / (1 - beta2**t)
        if rho > 4:
            length = ((1 - beta2**t) / v).sqrt()
            r = math.sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
            theta = theta - alpha * r * m_hat * length
        else:
            theta = theta - alpha * m_hat
    return theta


def adabound(x, grads, *, alpha, beta1, beta2, lower, upper, largest=False):
    """Luo et al. 2019, algorithm 2; with `largest` algorithm 3 (AMSBound): eta = clip(alpha / sqrt(V)) / sqrt(t)."""
    m = v = v_hat = 0 * x
    for t, g in enumerate(grads, 1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        v_hat = v_hat.maximum(v) if largest else v
        eta_hat = (alpha / v_hat.sqrt()).clamp(lower(t), upper(t))
        eta = eta_hat / math.sqrt(t)
        x = x - eta * m
    return x


def adabound_of_the_authors(x, grads, *, lr, final_lr, beta1, beta2, gamma, eps, largest=False, inside=0.0):
    """Luo et al. 2019 as their code has it: Adam's corrections, no 1 / sqrt(t); `inside` is added under the root."""
    m = v = v_hat = 0 * x
    for t, g in enumerate(grads, 1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        v_hat = v_hat.maximum(v) if largest else v
        step = lr * math.sqrt(1 - beta2**t) / (1 - beta1**t)
        lower, upper = final_lr * (1 - 1 / (gamma * t + 1)), final_lr * (1 + 1 / (gamma * t))
        x = x - (step / ((v_hat + inside).sqrt() + eps)).clamp(lower, upper) * m
    return x
