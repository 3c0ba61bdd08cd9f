"""Tasks: a backbone, a head and a loss."""

import keras


class _Task(keras.Model):
    """What all tasks share: they hold a backbone object and are saved with it."""

    def get_config(self):
        """Return the settings that rebuild this task, its backbone included."""
        backbone = keras.saving.serialize_keras_object(self.backbone)
        return {"backbone": backbone, "name": self.name, **self.task_config}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Rebuild a task and its backbone."""
        config = dict(config)
        backbone = keras.saving.deserialize_keras_object(
            config.pop("backbone"), custom_objects=custom_objects
        )
        return cls(backbone, **config)
