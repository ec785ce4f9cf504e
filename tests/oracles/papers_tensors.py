"""Rules that see a whole tensor, in the letters of their papers: call them once for each matrix or vector."""

import math

import torch


def lars(w, grads, *, gammas, m, beta, eta):
    """You, Gitman and Ginsburg 2017, algorithm 1 with eq. 6: local rate eta |w| / (|g| + beta |w|)."""
    v = 0 * w
    for g, gamma in zip(grads, gammas, strict=True):
        local = eta * w.norm() / (g.norm() + beta * w.norm())
        v = m * v + gamma * local * (g + beta * w)
        w = w - v
    return w


def lamb(x, grads, *, etas, beta1, beta2, epsilon, lam, phi=lambda norm: norm):
    """You et al. 2020, algorithm 2; a tensor of zeros stays where it is (libraries take the ratio 1 there)."""
    m = v = 0 * x
    for t, (g, eta) in enumerate(zip(grads, etas, strict=True), 1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        r = m / (1 - beta1**t) / ((v / (1 - beta2**t)).sqrt() + epsilon)
        u = r + lam * x
        x = x - eta * phi(x.norm()) / u.norm() * u
    return x


def adafactor_matrix(x, grads, *, rho, d=1.0, epsilon1=1e-30, epsilon2=1e-3, decay=0.8):
    """Shazeer and Stern 2018, algorithm 4, beta2_t = 1 - t^-decay as in algorithm 6; rho(t): min(1e-2, 1 / sqrt(t))."""
    n, m = x.shape
    ones_n, ones_m = torch.ones(n, dtype=x.dtype), torch.ones(m, dtype=x.dtype)
    rows, cols = 0 * ones_n, 0 * ones_m
    for t, g in enumerate(grads, 1):
        alpha = max(epsilon2, _rms(x)) * rho(t)
        beta2 = 1 - t**-decay
        rows = beta2 * rows + (1 - beta2) * (g * g + epsilon1) @ ones_m
        cols = beta2 * cols + (1 - beta2) * ones_n @ (g * g + epsilon1)
        v = torch.outer(rows, cols) / (ones_n @ rows)
        u = g / v.sqrt()
        x = x - alpha * u / max(1, _rms(u) / d)
    return x


def adafactor_vector(x, grads, *, rho, d=1.0, epsilon1=1e-30, epsilon2=1e-3, decay=0.8):
    """Shazeer and Stern 2018, algorithm 5: nothing to factor."""
    v = 0 * x
    for t, g in enumerate(grads, 1):
        alpha = max(epsilon2, _rms(x)) * rho(t)
        beta2 = 1 - t**-decay
        v = beta2 * v + (1 - beta2) * (g * g + epsilon1)
        u = g / v.sqrt()
        x = x - alpha * u / max(1, _rms(u) / d)
    return x


def _rms(x):
    return float((x * x).mean().sqrt())


def newton_schulz5(g, *, steps=5, eps=1e-7):
    """Jordan et al. 2024: five steps of X <- a X + (b A + c A A) X, A = X X', from G / (|G| + eps), lying wide."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = g.T if g.shape[0] > g.shape[1] else g
    x = x / (x.norm() + eps)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if g.shape[0] > g.shape[1] else x


def newton_schulz5_of_singular_values(g, *, steps=5, eps=1e-7):
    """The same seen through the SVD: each singular value s goes through a s + b s^3 + c s^5, the vectors stay."""
    u, s, vt = torch.linalg.svd(g, full_matrices=False)
    s = s / (s.norm() + eps)
    for _ in range(steps):
        s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
    return u @ s.diag() @ vt


def polar_factor(g):
    """The nearest matrix with orthonormal rows or columns, U V': what Newton-Schulz is after."""
    u, _, vt = torch.linalg.svd(g, full_matrices=False)
    return u @ vt


def muon(w, grads, *, eta, mu, nesterov=True, lam=0.0, orthogonalise=newton_schulz5):
    """Jordan et al. 2024: B <- mu B + G; W <- W - eta max(1, rows / cols)^.5 NS(G + mu B) - eta lam W."""
    b = 0 * w
    scale = max(1, w.shape[0] / w.shape[1]) ** 0.5
    for g in grads:
        b = mu * b + g
        o = orthogonalise(g + mu * b if nesterov else b)
        w = w - eta * lam * w - eta * scale * o
    return w


def soap(w, grads, *, eta, beta1, beta2, epsilon, f):
    """Vyas et al. 2024, algorithms 3, 4 as printed: no corrections, epsilon under the root, begun by eigh.

    The paper leaves the first step open; here L, R and their eigenvectors are made from the first gradient, which
    itself makes no step, and then t = 1, 2, ... counts the others.
    """
    first, *rest = grads
    left, right = (1 - beta2) * first @ first.T, (1 - beta2) * first.T @ first
    q_left, q_right = _eigenvectors(left), _eigenvectors(right)
    m = v = 0 * w
    for t, g in enumerate(rest, 1):
        g_turned = q_left.T @ g @ q_right
        m = beta1 * m + (1 - beta1) * g
        m_turned = q_left.T @ m @ q_right
        v = beta2 * v + (1 - beta2) * g_turned * g_turned
        n_turned = m_turned / (v + epsilon).sqrt()
        w = w - eta * q_left @ n_turned @ q_right.T
        left = beta2 * left + (1 - beta2) * g @ g.T
        right = beta2 * right + (1 - beta2) * g.T @ g
        if t % f == 0:
            q_left = torch.linalg.qr(left @ q_left).Q
            q_right = torch.linalg.qr(right @ q_right).Q
    return w


def soap_of_the_authors(w, grads, *, lr, betas, shampoo_beta, eps, lam, frequency, qr=torch.float64):
    """Vyas et al. 2024 as their own code has it: Adam's corrections, epsilon outside, sorted QR, decay after the step.

    The first gradient only fills L, R and their eigenvectors (descending); s = 1, 2, ... counts the steps made.
    """
    beta1, beta2 = betas
    first, *rest = grads
    left, right = (1 - shampoo_beta) * first @ first.T, (1 - shampoo_beta) * first.T @ first
    q_left, q_right = _eigenvectors(left), _eigenvectors(right)
    m = v = 0 * w
    for s, g in enumerate(rest, 1):
        turned = q_left.T @ g @ q_right
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * turned * turned
        step = lr * math.sqrt(1 - beta2**s) / (1 - beta1**s)
        w = w - step * q_left @ ((q_left.T @ m @ q_right) / (v.sqrt() + eps)) @ q_right.T
        w = w - lr * lam * w
        left = shampoo_beta * left + (1 - shampoo_beta) * g @ g.T
        right = shampoo_beta * right + (1 - shampoo_beta) * g.T @ g
        if s % frequency == 0:
            q_left, order = _turned_on(left, q_left, qr)
            v = v[order]
            q_right, order = _turned_on(right, q_right, qr)
            v = v[:, order]
    return w


def soap_vector_of_the_authors(w, grads, *, lr, betas, eps, lam):
    """What the same code does with a vector: Adam with epsilon on sqrt(v), one gradient late, decay after the step."""
    beta1, beta2 = betas
    m = v = 0 * w
    for s, g in enumerate(grads[1:], 1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        w = w - lr * math.sqrt(1 - beta2**s) / (1 - beta1**s) * m / (v.sqrt() + eps)
        w = w - lr * lam * w
    return w


def _eigenvectors(matrix):
    return torch.linalg.eigh(matrix).eigenvectors.flip(1)


def _turned_on(matrix, q, dtype):
    order = (q * (matrix @ q)).sum(0).argsort(descending=True)
    return torch.linalg.qr((matrix @ q)[:, order].to(dtype)).Q.to(q.dtype), order
