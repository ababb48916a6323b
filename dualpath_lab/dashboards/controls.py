"""A widget for a setting: tied to it in both directions, with its unit, default and help."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import panel_material_ui as pmui
import param

from dualpath_lab.dashboards.linked import LinkedState


class Controls:
    """Makes the widgets of one state; sliders act when they are let go, unless asked to act all the time.

    Parameters
    ----------
    state : LinkedState
    effect : str or callable
        What every change does, in a sentence; or a function from a parameter to what its change does.
    none_means : mapping
        What the None of a parameter means that may be None.
    first : mapping
        Where the slider of such a parameter begins.
    """

    def __init__(
        self,
        state: LinkedState,
        effect: str | Callable[[str], str],
        none_means: Mapping[str, str] | None = None,
        first: Mapping[str, Any] | None = None,
    ) -> None:
        self._state = state
        self._effect = effect
        self._none_means = none_means or {}
        self._first = first or {}

    def slider(self, name: str, value: Any = None, when: str = "value_throttled") -> Any:
        """A slider that sets the state once it is let go, or all the time with ``when="value"``."""
        parameter: Any = self._state.param[name]
        low, high = parameter.bounds
        kind = pmui.IntSlider if isinstance(parameter, param.Integer) else pmui.FloatSlider
        slider = kind(
            label=_label(parameter.label, self._state.UNITS.get(name, "")),
            start=low,
            end=high,
            step=parameter.step or 1,
            value=getattr(self._state, name) if value is None else value,
            description=self.help_text(name),
            sizing_mode="stretch_width",
            margin=(4, 22, 2, 16),
            size="small",
        )
        moving = False

        def moved(event: param.parameterized.Event) -> None:
            nonlocal moving
            moving = True
            try:
                self._state.param.update({name: event.new})
            finally:
                moving = False

        def changed(event: param.parameterized.Event) -> None:
            if event.new is not None and not moving:  # else it may have been moved further meanwhile
                slider.value = event.new

        slider.param.watch(moved, when)
        self._state.param.watch(changed, name)
        return slider

    def select(self, name: str, choose: Callable[[Any], None] | None = None) -> Any:
        """A list to choose from; ``choose`` takes over setting the state."""
        parameter: Any = self._state.param[name]
        select = pmui.Select(
            label=_label(parameter.label, self._state.UNITS.get(name, "")),
            options=parameter.objects,
            value=getattr(self._state, name),
            description=self.help_text(name),
            sizing_mode="stretch_width",
            margin=(6, 16),
            size="small",
        )
        set_state = choose or (lambda value: self._state.param.update({name: value}))
        select.param.watch(lambda event: set_state(event.new), "value")
        self._state.param.watch(lambda event: select.param.update(value=event.new), name)
        return select

    def optional(self, name: str) -> tuple[Any, Any]:
        """A switch for None, and a slider for everything else."""
        value = getattr(self._state, name)
        label = f"{self._state.param[name].label}: {self._none_means[name]}"
        switch = pmui.Checkbox(
            label=label,
            value=value is None,
            description=self.help_text(name),
            sizing_mode="stretch_width",
            margin=(0, 10),
            size="small",
        )
        slider = self.slider(name, self._first[name] if value is None else value)
        slider.visible = value is not None

        def switched(event: param.parameterized.Event) -> None:
            self._state.param.update({name: None if event.new else slider.value})

        def changed(event: param.parameterized.Event) -> None:
            switch.value = event.new is None
            slider.visible = event.new is not None

        switch.param.watch(switched, "value")
        self._state.param.watch(changed, name)
        return switch, slider

    def help_text(self, name: str) -> str:
        """What a control does, its default with the unit, and what a change does."""
        parameter: Any = self._state.param[name]
        units = self._state.UNITS
        if name in self._none_means:
            default = self._none_means[name]
        else:
            default = f"{parameter.default:g} {units[name]}" if name in units else str(parameter.default)
        effect = self._effect if isinstance(self._effect, str) else self._effect(name)
        return f"{parameter.doc} Default: {default}. {effect}"


def title(text: str) -> Any:
    """Of a group of controls."""
    return pmui.Typography(text, variant="subtitle2", margin=(12, 16, 0, 16), sizing_mode="stretch_width")


def _label(text: str, unit: str) -> str:
    return text if unit in text.lower() else f"{text} ({unit})"
