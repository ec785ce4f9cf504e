"""Rules without a schedule or without a rate, and second order, in the letters of their papers."""

import math

import torch


def schedule_free_sgd(x1, grads, *, gamma, beta, lam=0.0, warmup=0, r=0, power=2):
    """Defazio et al. 2024, eqs 3-5 with the weights of section 3: return x (to be judged), y (to be derived at), z.

    y <- (1 - beta) z + beta x; z <- z - gamma_t (g + lam y); x <- (1 - c) x + c z, where c is the share of
    t^r max(gamma)^power in its sum so far and gamma_t = gamma min(1, t / warmup).
    """
    x = z = y = x1
    total = largest = 0.0
    for t, g in enumerate(grads, 1):
        gamma_t = (gamma(t) if callable(gamma) else gamma) * (min(1, t / warmup) if warmup else 1)
        largest = max(largest, gamma_t)
        total += t**r * largest**power
        c = t**r * largest**power / total
        z = z - gamma_t * (g + lam * y)
        x = (1 - c) * x + c * z
        y = (1 - beta) * z + beta * x
    return x, y, z


def schedule_free_adamw(x1, grads, *, gamma, beta1, beta2, epsilon, lam=0.0, warmup=0):
    """Defazio et al. 2024, algorithm 1: gamma_t = gamma sqrt(1 - beta2^t) min(1, t / warmup), epsilon on sqrt(v)."""
    x = z = y = x1
    v = 0 * x1
    squares = 0.0
    for t, g in enumerate(grads, 1):
        v = beta2 * v + (1 - beta2) * g * g
        gamma_t = gamma * math.sqrt(1 - beta2**t) * (min(1, t / warmup) if warmup else 1)
        z = z - gamma_t * g / (v.sqrt() + epsilon) - gamma_t * lam * y
        squares += gamma_t**2
        c = gamma_t**2 / squares
        x = (1 - c) * x + c * z
        y = (1 - beta1) * z + beta1 * x
    return x, y, z


def schedule_free_adamw_of_the_authors(x1, grads, *, gamma, beta1, beta2, epsilon, lam=0.0, warmup=0):
    """Defazio et al. 2024 as their package has it since 1.3: v corrected like Adam's, so c sees the rate alone."""
    x = z = y = x1
    v = 0 * x1
    total = largest = 0.0
    for t, g in enumerate(grads, 1):
        v = beta2 * v + (1 - beta2) * g * g
        gamma_t = (gamma(t) if callable(gamma) else gamma) * (min(1, t / warmup) if warmup else 1)
        largest = max(largest, gamma_t)
        total += largest**2
        c = largest**2 / total
        z = z - gamma_t * (g / ((v / (1 - beta2**t)).sqrt() + epsilon) + lam * y)
        x = (1 - c) * x + c * z
        y = (1 - beta1) * z + beta1 * x
    return x, y, z


def prodigy(x0, gradient, steps, *, d0, gamma, beta1, beta2, epsilon):
    """Mishchenko and Defazio 2024, algorithm 4; x is all weights as one vector; return x and d."""
    x, d = x0, d0
    m = v = s = 0 * x0
    r = 0.0
    root = math.sqrt(beta2)
    for _ in range(steps):
        g = gradient(x)
        m = beta1 * m + (1 - beta1) * d * g
        v = beta2 * v + (1 - beta2) * d**2 * g * g
        r = root * r + (1 - root) * gamma * d**2 * float(g @ (x0 - x))
        s = root * s + (1 - root) * gamma * d**2 * g
        d_hat = r / float(s.abs().sum())
        x = x - gamma * d * m / (v.sqrt() + d * epsilon)
        d = max(d, d_hat)
    return x, d


def prodigy_of_the_authors(
    x0, gradient, steps, *, lr, d0, betas, beta3, eps, lam, d_coef, growth_rate, corrected, safeguarded, coupled
):
    """Mishchenko and Defazio 2024 as their package has it: epsilon times the new d, the rest of the step the old."""
    x, d, d_max, (beta1, beta2) = x0, d0, d0, betas
    beta3 = math.sqrt(beta2) if beta3 is None else beta3
    m = v = s = 0 * x0
    numerator = 0.0
    for t in range(1, steps + 1):
        g = gradient(x) + (lam * x if coupled else 0)
        dlr = d * lr * (math.sqrt(1 - beta2**t) / (1 - beta1**t) if corrected else 1)
        numerator = beta3 * numerator + d / d0 * dlr * float(g @ (x0 - x))
        m = beta1 * m + (1 - beta1) * d * g
        v = beta2 * v + (1 - beta2) * d**2 * g * g
        s = beta3 * s + d / d0 * (d if safeguarded else dlr) * g
        d_hat = d_coef * numerator / float(s.abs().sum())
        if d == d0:
            d = max(d, d_hat)
        d_max = max(d_max, d_hat)
        d = min(d_max, d * growth_rate)
        x = (x if coupled else x - lam * dlr * x) - dlr * m / (v.sqrt() + d * eps)
    return x, d


def newton(theta, gradient, hessian, steps, *, eta=1.0, damping=0.0):
    """theta <- theta - eta (H + damping I)^-1 g, by a solve."""
    for _ in range(steps):
        h = hessian(theta) + damping * torch.eye(len(theta), dtype=theta.dtype)
        theta = theta - eta * torch.linalg.solve(h, gradient(theta))
    return theta


def saddle_free_newton(theta, gradient, hessian, steps, *, eta=1.0, damping=0.0):
    """Dauphin et al. 2014, algorithm 1 without its Krylov space: |H| = Q |L| Q' in the place of Newton's H."""
    for _ in range(steps):
        eigenvalues, q = torch.linalg.eigh(hessian(theta))
        theta = theta - eta * q @ ((q.T @ gradient(theta)) / (eigenvalues.abs() + damping))
    return theta
