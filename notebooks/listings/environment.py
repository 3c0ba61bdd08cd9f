"""What has to be installed, and a look whether it is.

Corrects 001: 54. Corrects 003: 56. Corrects 004: 313-316.

Wrong there: 004 pins TensorFlow 2.6.0, of which there is no build for Python 3.10 or newer, and
installs NLTK, spaCy and TextBlob, which its code never uses. 003 installs `transformers`, which
does not bring the torch that the code imports. 001 is right at a terminal, where all three belong.
"""

import sys
from importlib import metadata, util

# At a terminal, in a clone of the repository: pip install -e .
assert sys.version_info >= (3, 11), f"expected Python 3.11 or newer, this is {sys.version}"
for package in ("tensorflow", "keras", "numpy"):
    print(f"{package:10} {metadata.version(package)}")  # an error names what is missing
assert metadata.version("keras") >= "3", "expected Keras 3: pip install -U keras"
assert util.find_spec("kerasllm"), "expected kerasllm: pip install -e ."
print("`kerasllm doctor` looks at the rest")
