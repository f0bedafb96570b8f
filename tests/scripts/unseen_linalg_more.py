"""torch.linalg beyond the basics: systems, decompositions, matrix functions, and gradients through them."""
import torch

torch.manual_seed(5)
A = torch.randn(3, 3)
S = A @ A.t() + 3 * torch.eye(3)
B = torch.randn(3, 2)
v, w = torch.randn(3), torch.randn(3)
batch = torch.randn(2, 3, 4)
print(torch.kron(torch.eye(2), torch.tensor([[1.0, 2.0]])), torch.tensordot(batch, batch, dims=([0, 2], [0, 2])))
print(torch.linalg.multi_dot([A, A, B]), torch.linalg.matrix_power(S, -1), torch.matrix_exp(torch.zeros(2, 2)))
print(torch.logdet(S), torch.slogdet(A), torch.linalg.slogdet(S), torch.addbmm(torch.zeros(3, 3), batch, batch.mT), torch.vdot(v, w), torch.inner(v, w))
print(torch.linalg.matrix_rank(A), torch.linalg.matrix_rank(torch.ones(3, 3)), torch.linalg.cond(S), torch.linalg.matrix_norm(A), torch.linalg.norm(A, 2), torch.linalg.norm(A, "nuc"), torch.linalg.norm(v, 1), torch.linalg.norm(A, 1))


# systems
print(torch.pinverse(B), torch.linalg.pinv(B).shape)
print(torch.linalg.solve(S, B))
print(torch.linalg.lstsq(B, v[:, None]).solution, torch.linalg.solve_triangular(torch.triu(S), B, upper=True), torch.cholesky_solve(B, torch.linalg.cholesky(S)))

# decompositions
L = torch.linalg.cholesky(S)
print(L, torch.cholesky(S, upper=True), torch.allclose(L @ L.mT, S, atol=1e-4))
q, r = torch.linalg.qr(A)
print(torch.allclose(q @ r, A, atol=1e-5), r.tril(-1).abs().max() < 1e-6, torch.qr(B).R.abs(), torch.linalg.qr(B, mode="complete").Q.shape)
U, sigma, V = torch.svd(A)
print(sigma, torch.allclose(U @ torch.diag(sigma) @ V.t(), A, atol=1e-5), torch.linalg.svdvals(B), torch.linalg.svd(B).U.shape, torch.linalg.svd(B, full_matrices=False).Vh.shape)
values, vectors = torch.linalg.eigh(S)
print(values, torch.allclose(vectors @ torch.diag(values) @ vectors.T, S, atol=1e-4), torch.linalg.eigvalsh(S))
print(torch.linalg.eigvals(torch.tensor([[0.0, 1.0], [-1.0, 0.0]])).imag.sort().values, torch.linalg.eig(torch.diag(torch.tensor([1.0, 2.0]))).eigenvalues)
lu, pivots = torch.linalg.lu_factor(A)
P, Lo, Up = torch.linalg.lu(A)
print(pivots, torch.allclose(P @ Lo @ Up, A, atol=1e-5), torch.lu_solve(B, lu, pivots))

# through autograd
M = S.clone().requires_grad_()
(torch.logdet(M) + torch.linalg.inv(M).sum() + torch.linalg.cholesky(M).sum()).backward()
print(M.grad)
M = A.clone().requires_grad_()
torch.linalg.svdvals(M).sum().backward()
print(M.grad, torch.matmul(M, v), torch.det(M), torch.linalg.solve(M, v))
