"""The web app. Only what stands in here imports Panel or Bokeh."""
