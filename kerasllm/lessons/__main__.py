"""`python -m kerasllm.lessons`."""

import sys

from kerasllm.lessons.catalogue import main
from kerasllm.lessons.editions import LessonError

try:
    main()
except (LessonError, ValueError, OSError, ImportError) as error:
    sys.exit(f"error: {error}")
