"""What a picture must keep to: well-formed, nothing active or fetched, texts apart from each other and inside the frame."""
import re
import xml.etree.ElementTree as ElementTree

SVG = "{http://www.w3.org/2000/svg}"
EM = 0.5  # a mean letter, narrower than what the renderer reckons with
BOLD_EM = 0.7  # of DejaVu Sans Bold, the widest of the fonts that the pictures ask for


def box(text):
    content = "".join(text.itertext())
    size = 20 if text.get("class") == "title" else 12
    width = len(content) * size * (BOLD_EM if text.get("class") in ("title", "alarm") else EM)
    x, y = float(text.get("x")), float(text.get("y"))
    anchor = text.get("text-anchor", "start")
    left = x - {"start": 0, "middle": width / 2, "end": width}[anchor]
    return left, y - size * 0.8, left + width, y + size * 0.2, content


def overlap(a, b):
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def crossed(line, text):
    x = float(line.get("x1"))
    return text[0] < x < text[2] and float(line.get("y1")) < text[3] and float(line.get("y2")) > text[1]


def problems(data):
    root = ElementTree.fromstring(data)
    found = []
    if root.tag != SVG + "svg" or root.get("role") != "img":
        found.append("no <svg role=img>")
    for name in ("title", "desc"):
        if not root.findtext(SVG + name):
            found.append(f"no <{name}>")
    for element in root.iter():
        if element.tag in (SVG + "script", SVG + "foreignObject", SVG + "image", SVG + "use"):
            found.append(f"active or foreign element {element.tag}")
        for attribute, value in element.attrib.items():
            if attribute.startswith("on") or "href" in attribute or re.search(r"nan|inf", value):
                found.append(f"attribute {attribute}={value}")
    style = root.findtext(SVG + "style") or ""
    if "prefers-color-scheme: dark" not in style or "@import" in style or "url(" in style:
        found.append("style without a dark half, or with something fetched")
    width, height = float(root.get("width")), float(root.get("height"))
    boxes = [box(text) for text in root.iter(SVG + "text")]
    for i, a in enumerate(boxes):
        if a[0] < 0 or a[1] < 0 or a[2] > width or a[3] > height:
            found.append(f"text outside the picture: {a[4]!r}")
        found += [f"texts overlap: {a[4]!r} and {b[4]!r}" for b in boxes[i + 1:] if overlap(a, b)]
    labels = [box(text) for text in root.iter(SVG + "text") if text.get("class") == "mark-text"]
    lines = [line for line in root.iter(SVG + "line") if (line.get("class") or "").startswith("mark")]
    found += [f"a mark's line crosses {label[4]!r}" for label in labels for line in lines if crossed(line, label)]
    return found
