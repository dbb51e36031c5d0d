"""Admission: a labelled pod gets a web identity token that stays fresh, or a clear "no".

`app → review → decide → transform → parts`, never backwards; decide and what is right of it are pure.
"""
