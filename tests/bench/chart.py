"""chart.py - drawings of measurements as SVG, for the benches beside it: text, lines, points and bars, each a line of the file."""
from xml.sax.saxutils import escape, quoteattr

GREY, OURS, THEIRS = "#555", "#0a6", "#c33"


def told(value):
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)


class Svg:
    def __init__(self, width, height):
        self.width, self.height = width, height
        self.lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">']
        self.add("rect", width=width, height=height, fill="white")

    def add(self, name, text=None, **attributes):
        """Underscores stand for the hyphens of SVG's names."""
        head = " ".join([name, *(f"{key.replace('_', '-')}={quoteattr(told(value))}" for key, value in attributes.items())])
        self.lines.append(f"<{head}/>" if text is None else f"<{head}>{escape(text)}</{name}>")

    def text(self, x, y, text, **attributes):
        self.add("text", text, x=x, y=y, **attributes)

    def line(self, x1, y1, x2, y2, **attributes):
        self.add("line", x1=x1, y1=y1, x2=x2, y2=y2, **attributes)

    def curve(self, points, colour):
        self.add("polyline", fill="none", stroke=colour, stroke_width=2.5, points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points))
        for x, y in points:
            self.add("circle", cx=x, cy=y, r=3.5, fill=colour)

    def title(self, x, *lines):
        for i, line in enumerate(lines):
            self.text(x, 22 + 17 * i - (i > 1), line, **({"fill": GREY} if i else {"font_size": 15, "font_weight": "bold"}))

    def save(self, path):
        with open(path, "w") as f:
            f.write("\n".join([*self.lines, "</svg>"]) + "\n")
