"""SceneSpec → Rollout → Frames: the only folder that meets Kubric, Bullet and Blender."""
