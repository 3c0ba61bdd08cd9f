"""What a trained model should not have learned: associations of groups, and secrets of its texts.

    print(kerasllm.audit.bias("runs/lm"))               # association tests on its vectors
    planted = kerasllm.audit.plant("mine.txt", "planted.txt")      # secrets, before the training
    print(kerasllm.audit.canaries("runs/planted", planted))        # how much of them it gives away
    print(kerasllm.audit.personal("runs/lm"))           # personal data that it completes by heart

At a terminal `kerasllm audit bias | plant | canaries | personal`. The equations stand in
`kerasllm.reference`: `association`, `exposure`. Training that bounds what one text can do is a
setting of every training, `private_noise`; lesson 19 tells why each of these is not the whole
story.
"""

from kerasllm.audit.bias import bias, word_sets
from kerasllm.audit.canaries import Canary, canaries, plant
from kerasllm.audit.personal import personal

__all__ = ["Canary", "bias", "canaries", "personal", "plant", "word_sets"]
