"""Products of vectors and matrices, determinants, inverses, decompositions, norms."""
import torch

torch.manual_seed(5)
A = torch.randn(3, 3)
S = A @ A.t() + 3 * torch.eye(3)
B = torch.randn(3, 2)
v, w = torch.randn(3), torch.randn(3)
print(A, B, v)

# products
print(A.mm(B), torch.mm(A, B), A @ B, A.matmul(B), A.mv(v), A @ v, v @ A, v.dot(w), v @ w)
batch = torch.randn(2, 3, 4)
print(torch.bmm(batch, batch.transpose(1, 2)), (batch @ torch.ones(4)).shape, torch.matmul(A, batch).shape, torch.matmul(v, batch).shape)
print(torch.matmul(torch.ones(2, 1, 3, 4), torch.ones(5, 4, 2)).shape, torch.matmul(torch.ones(5, 2, 3), torch.ones(3)).shape)
print(torch.addmm(torch.ones(3, 2), A, B), torch.addmm(torch.ones(2), A, B, beta=2, alpha=0.5), torch.addmv(v, A, w), torch.addr(torch.zeros(3, 3), v, w), torch.baddbmm(torch.zeros(1), batch, batch.mT).shape)
print(torch.outer(v, w), torch.ger(v, w).shape, torch.linalg.cross(v, w), torch.cross(v, w, dim=0))
print(torch.matrix_power(A, 3))
print((torch.tensor([[1, 2], [3, 4]]) @ torch.tensor([5, 6])), torch.tensor([[1, 2], [3, 4]]).mm(torch.tensor([[1, 0], [0, 1]])))

# einsum
print(torch.einsum("ij,jk->ik", A, B), torch.einsum("ii", A), torch.einsum("ii->i", A), torch.einsum("ij->ji", B), torch.einsum("i,j->ij", v, w))
print(torch.einsum("bij,bkj->bik", batch, batch).shape, torch.einsum("...ij->...i", batch), torch.einsum("ij,ij->", A, A), torch.einsum("i,ij,j", v, A, w))

# one number or one vector of a matrix
print(torch.trace(A), A.trace(), torch.det(A), A.det(), torch.linalg.det(S))
# inverses and systems
print(torch.inverse(S), S.inverse() @ S > 0.5, torch.linalg.inv(A))
print(torch.linalg.solve(A, v), torch.linalg.solve(S, B), torch.allclose(A @ torch.linalg.solve(A, B), B, atol=1e-4))
# decompositions
L = torch.linalg.cholesky(S)
print(L, torch.allclose(L @ L.mT, S, atol=1e-4))
q, r = torch.linalg.qr(A)
print(torch.allclose(q @ r, A, atol=1e-5), r.tril(-1).abs().max() < 1e-6)
U, sigma, V = torch.svd(A)
print(sigma, torch.allclose(U @ torch.diag(sigma) @ V.t(), A, atol=1e-5), torch.linalg.svdvals(B), torch.linalg.svd(B).U.shape)
values, vectors = torch.linalg.eigh(S)
print(values, torch.allclose(vectors @ torch.diag(values) @ vectors.T, S, atol=1e-4), torch.linalg.eigvalsh(S))

# triangles and diagonals
print(torch.tril(A), torch.triu(A, diagonal=1), A.tril(-1), torch.diag(A), torch.diagflat(v), torch.diag(v, 1).shape, torch.linalg.diagonal(A))

# norms
print(A.norm(), torch.norm(v), torch.norm(A, dim=1), torch.linalg.norm(A), torch.linalg.norm(v, 1), torch.linalg.vector_norm(v), torch.norm(v, p=float("inf")))

# through autograd
M = A.clone().requires_grad_()
(torch.det(M) + torch.inverse(M).sum() + M.norm() + torch.trace(M @ M)).backward()
print(M.grad, torch.matmul(M, v), torch.det(M), M @ M, M.mm(B))
M.grad = None
torch.svd(M)[1].sum().backward()
print(M.grad)
