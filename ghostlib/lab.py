"""JupyterLab as `make lab` starts it: notebooks work in the folder in which papermill runs them, the top of the lab."""

from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager


class KernelsAtTheTop(AsyncLargeFileManager):
    """Files as JupyterLab keeps them; kernels in its root folder, wherever their notebook lies.

    Paths in notebooks and parameters (`data/results/...`, `data/runs/...`) begin there. By default a kernel would start in
    its notebook's folder, and they would lead nowhere. For `ServerApp.contents_manager_class`.
    """

    async def get_kernel_path(self, path, model=None):
        """The folder, below the root, in which the kernel of the notebook at `path` starts."""
        return ""
