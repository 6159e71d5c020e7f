"""The domain of Meltwin: material, process, build, observation, forecast, trust and store.

Knows nothing of wires and screens. Modules that `ui` imports (everything here but `twin.twin`) load without torch.
"""
