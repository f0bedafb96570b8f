"""`python -m torchish SCRIPT [ARGS...]`: run a PyTorch script, unedited, on torchish."""

from torchish._runner import main

if __name__ == "__main__":
    main()
