# ghostlib whole, on a CPU, as a user without rights:
#   docker build -t ghostlib .
#   docker run --rm -it ghostlib                          # make tour
#   docker run --rm -it --network host ghostlib make lab  # JupyterLab, on this machine only
# No image was built by this project, which had no builder at hand: docs/installing.md says how its steps were tried.
FROM python:3.11-slim-bookworm

# A compiler for the kernel (and with it OpenMP, which MindSpore loads), make for the commands, git for a row's commit.
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ git make \
    && rm -rf /var/lib/apt/lists/*

RUN useradd --create-home ghost && install --directory --owner=ghost --group=ghost /opt/ghostlib
USER ghost
WORKDIR /opt/ghostlib
COPY --chown=ghost:ghost . .
# pip's downloads are of no use in an image.
RUN PIP_NO_CACHE_DIR=1 make .venv/installed
ENV PATH=/opt/ghostlib/.venv/bin:$PATH

CMD ["make", "tour"]
